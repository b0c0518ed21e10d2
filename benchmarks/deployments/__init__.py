"""Deployment changes injected into simulated traffic: does an alert name the right one?"""
